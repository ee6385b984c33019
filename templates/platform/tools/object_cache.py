"""Keeps compiled objects for the next build: of another environment, or of another project.

SCons's own cache tells objects apart by their path in the build folder, so that no two environments share one.
Here the compiler, its flags, the source and everything that it includes decide. What the compiler says of the
stack (``.su``) is kept beside the object. A person's own sources are compiled each time: what the compiler warns of
is said again.
"""

import os
import shutil
from pathlib import Path

from SCons.CacheDir import CacheDir
from SCons.Util import hash_collect

SUFFIX = ".o"
STACK_USAGE = ".su"
RECORD = "objects-folder"


def keeps(node):
    """Whether a file of the build folder is an object of a library."""
    folder = Path(node.get_env().subst("$BUILD_DIR")).absolute()
    return node.name.endswith(SUFFIX) and os.path.relpath(node.abspath, folder).startswith("lib")


class ObjectCache(CacheDir):
    def cachepath(self, node):
        if not keeps(node):
            return None, None
        if not hasattr(node, "cachesig"):
            # As SCons computes it, with the name in the place of the path.
            parts = [child.get_cachedir_csig() for child in node.children()]
            node.cachesig = hash_collect([*parts, node.get_contents_sig(), node.name])
        return super().cachepath(node)

    def retrieve(self, node):
        return keeps(node) and super().retrieve(node)

    def push(self, node):
        return super().push(node) if keeps(node) else None

    @classmethod
    def copy_from_cache(cls, env, src, dst):
        usage = Path(src + STACK_USAGE)
        if usage.is_file():
            shutil.copyfile(usage, Path(dst).with_suffix(STACK_USAGE))
        return super().copy_from_cache(env, src, dst)

    @classmethod
    def copy_to_cache(cls, env, src, dst):
        # SCons has a temporary folder beside the final file, and moves the object when it is complete.
        temporary = Path(dst)
        usage = Path(src).with_suffix(STACK_USAGE)
        if usage.is_file():
            copy = temporary.with_name(temporary.name + STACK_USAGE)
            shutil.copyfile(usage, copy)
            copy.replace(temporary.parent.parent / copy.name)
        return super().copy_to_cache(env, src, dst)


def folder_of(workspace):
    """Return where objects are kept: where ``MICRONETS_OBJECTS`` says or last said, else in the project.

    PlatformIO empties the build folder where it was last run with other settings of its own, as micronets-gen runs
    it: the objects that were compiled then are found again here.
    """
    record = workspace / RECORD
    chosen = os.environ.get("MICRONETS_OBJECTS")
    if chosen:
        workspace.mkdir(parents=True, exist_ok=True)
        record.write_text(chosen, encoding="utf-8")
        return Path(chosen)
    if record.is_file():
        last = Path(record.read_text(encoding="utf-8"))
        if last.is_dir() and os.access(last, os.W_OK):
            return last
    return workspace / "objects"


def use(env):
    """Let an environment keep its objects."""
    folder = folder_of(Path(env.subst("$PROJECT_WORKSPACE_DIR")))
    # SCons makes the folder, but not those above it.
    folder.parent.mkdir(parents=True, exist_ok=True)
    env.CacheDir(str(folder), ObjectCache)
