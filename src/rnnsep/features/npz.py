"""Uncompressed npz files of float16 arrays, written in blocks and mapped into memory."""

import tokenize
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnsep.running.errors import UserError

ALIGNMENT = 64  # bytes
DAMAGES = (  # what zipfile and NumPy raise for damaged files
    zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, SyntaxError, TypeError,
    tokenize.TokenError,
)  # fmt: skip


def write_member(
    archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], blocks: Iterator[NDArray[np.float16]]
) -> None:
    """Append the float16 array `name` of `shape`, in blocks along its first axis, to an npz file.

    Its data begin at a multiple of 64 bytes, so that they can be mapped.
    """
    member = zipfile.ZipInfo(f"{name}.npy")  # its date is fixed
    member.extract_version = member.create_version = zipfile.ZIP64_VERSION
    written = archive.fp.tell() + 30 + len(member.filename.encode()) + 20  # type: ignore[union-attr]
    padding = -(written + 4) % ALIGNMENT  # 30: local header; 20: its 64-bit sizes; 4: head of the padding
    member.extra = b"\x00\x00" + padding.to_bytes(2, "little") + bytes(padding)
    header = {"descr": "<f2", "fortran_order": False, "shape": shape}
    nb_frames = 0
    with archive.open(member, "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, header)  # padded to 64 bytes by NumPy
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f2").data.cast("B"))
            nb_frames += len(block)
    _mark_sizes(archive, member)
    if nb_frames != shape[0]:
        raise ValueError(f"{name}: {nb_frames} frames in the blocks, {shape[0]} in the shape")


def _mark_sizes(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Say in the local header that sizes are in its 64-bit field, as Python does from 3.11.4 on: so all do alike."""
    file = archive.fp
    assert file is not None  # noqa: S101 - the archive is open
    end = file.tell()
    file.seek(member.header_offset + 18)
    file.write(b"\xff" * 8)
    file.seek(end)


def map_npz(path: Path) -> dict[str, NDArray[Any]]:
    """
    The arrays of an uncompressed npz file, by name, mapped into memory and read-only.

    Raises `UserError`, naming the file, if it is missing, truncated, damaged or compressed. Checks the structure and
    all sizes, but not the checksums, for which all data would be read.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            for member in archive.infolist():
                if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
                    raise ValueError(f"{member.filename} is not an uncompressed array")
                archive.open(member).close()  # compares the local header with the directory
                file.seek(member.header_offset + 26)
                lengths = np.frombuffer(file.read(4), "<u2")  # of the name and of the extra field
                begin = member.header_offset + 30 + int(lengths.sum())
                file.seek(begin)
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"{member.filename} has format {version}")
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
                if fortran or file.tell() - begin + int(np.prod(shape)) * dtype.itemsize != member.file_size:
                    raise ValueError(f"{member.filename} has another size than its header says")
                name = member.filename.removesuffix(".npy")
                arrays[name] = np.memmap(path, dtype, "r", file.tell(), shape)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run the stage features first") from None
    except DAMAGES as error:
        raise damaged(path, f"is damaged ({' '.join(str(error).split())})") from None
    return arrays


def damaged(path: Path, what: str) -> UserError:
    """The error for a feature file with a fault."""
    return UserError(f"{path}: {what}; delete the file and run the stage features again")
