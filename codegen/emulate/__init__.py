"""Runs a firmware image and reads its protocol; QEMU, the virtual board and a port give one result type.

This package imports only itself, the standard library, unicorn and pyserial (each when used): the
generator copies it into every project, so that ``pio run -t emulate`` works without micronets-gen.
"""
