"""How long the audio of a compressed file is by its own account, to tell whether its end is missing."""

from pathlib import Path
from typing import Any

EXACT = frozenset(["aiff", "au", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "tta", "w64", "wav", "wv"])  # formats that know it
MICROSECONDS = 1e-6  # s, the unit of a container's duration
MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # Hz, by version bits
PAGE = 65307  # bytes of the largest page of Ogg


def declared_length(path: Path, container: Any, stream: Any) -> float | None:
    """Seconds of an audio stream of an open PyAV container by its headers; None if they do not say."""
    kind = container.format.name
    if kind == "mp3":
        return mp3_length(path)
    if kind.startswith("matroska"):
        hours, *rest = str(stream.metadata.get("DURATION", "")).split(":")
        if len(rest) == 2:
            return 3600 * float(hours) + 60 * float(rest[0]) + float(rest[1])
        alone = len(container.streams) == 1 and container.duration
        return container.duration * MICROSECONDS if alone else None
    if kind in EXACT and stream.duration:
        return float(stream.duration * stream.time_base)
    return None


def mp3_length(path: Path) -> float | None:
    """Seconds of an MP3 file by the Xing or VBRI header in its first frame; None without such a header."""
    with open(path, "rb") as file:
        start = 0
        while (tag := file.read(10))[:3] == b"ID3" and len(tag) == 10:
            size = sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True))
            start += 10 + size + (10 if tag[5] & 0x10 else 0)
            file.seek(start)
        file.seek(start)
        head = file.read(4096)
    for at in range(len(head) - 200):
        version, layer, rate = head[at + 1] >> 3 & 3, head[at + 1] >> 1 & 3, head[at + 2] >> 2 & 3
        if head[at] == 0xFF and head[at + 1] >= 0xE0 and version != 1 and layer == 1 and rate != 3:
            break
    else:
        return None
    frame, nb_samples = head[at:], 1152 if version == 3 else 576
    found = [place for name in (b"Xing", b"Info") if (place := frame.find(name, 0, 64)) >= 0]
    if found and frame[found[0] + 7] & 1:
        tag = frame[found[0] :]
        total = int.from_bytes(tag[8:12], "big") * nb_samples
        if tag[120:124] in (b"LAME", b"Lavf", b"Lavc"):  # then the encoder's delay and padding follow, 12 bits each
            both = int.from_bytes(tag[141:144], "big")
            total -= (both >> 12) + (both & 0xFFF)
    elif frame[36:40] == b"VBRI":
        total = int.from_bytes(frame[50:54], "big") * nb_samples
    else:
        return None
    return total / MP3_RATES[version][rate]


def lacks_end(path: Path) -> bool:
    """Whether a file is Ogg and its last page is incomplete or not marked as the last one."""
    with open(path, "rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(max(0, path.stat().st_size - 2 * PAGE))
        end = file.read()
    page = end[end.rfind(b"OggS\0") :]
    body = sum(page[27 : 27 + page[26]]) if len(page) > 26 else PAGE
    return len(page) < 27 or len(page) < 27 + page[26] + body or not page[5] & 4
