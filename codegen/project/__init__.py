"""The PlatformIO project: its files, the lock, the build."""
