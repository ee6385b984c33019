"""Speech made by Debian's espeak-ng, in the layout of Speech Commands: data that anybody can make offline."""
