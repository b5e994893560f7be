"""Sort the sounds of Debian packages into the folder that corpus.synthetic.sounds takes.

apt install fluid-soundfont-gm musescore-general-soundfont-lossless sonic-pi-samples flite
python -m experiments.sounds /path/to/sounds

All are under MIT, CC0 or CMU's licence; src/rnnsep/models/synthetic/README.md lists them. Loops that their uploaders
may not own (loop_amen, loop_breakbeat) are left out, also files without an entry in the package's copyright file.
"""

import random
import subprocess
import sys
from pathlib import Path

import soundfile
from scipy import signal

from rnnsep.running.errors import UserError

FONTS = {
    "/usr/share/sounds/sf2/FluidR3_GM.sf2": "fluid-soundfont-gm",
    "/usr/share/sounds/sf2/MuseScore_General_Full.sf2": "musescore-general-soundfont-lossless",
}
SAMPLES = Path("/usr/share/sonic-pi/samples")
KINDS = {
    "kick": "bd_808 bd_ada bd_boom bd_fat bd_gas bd_haus bd_klub bd_pure bd_sone bd_tek bd_zome bd_zum drum_bass_hard"
    " drum_bass_soft drum_heavy_kick elec_hollow_kick elec_soft_kick",
    "snare": "sn_dolf sn_dub sn_zome drum_snare_hard drum_snare_soft elec_snare elec_lo_snare elec_hi_snare"
    " elec_mid_snare elec_filt_snare",
    "clap": "perc_snap perc_snap2",
    "rim": "elec_wood elec_pop tabla_ke1 tabla_ke2 tabla_ke3 tabla_te1",
    "hat": "drum_cymbal_closed drum_cymbal_pedal",
    "open": "drum_cymbal_open elec_cymbal",
    "ride": "drum_cymbal_soft elec_cymbal",
    "crash": "drum_cymbal_hard drum_splash_hard drum_splash_soft",
    "high tom": "drum_tom_hi_hard drum_tom_hi_soft elec_fuzz_tom",
    "mid tom": "drum_tom_mid_hard drum_tom_mid_soft",
    "low tom": "drum_tom_lo_hard drum_tom_lo_soft",
    "percussion": "drum_cowbell elec_triangle elec_tick elec_blip elec_plip elec_bong tabla_dhec tabla_ghe1 tabla_ghe4"
    " tabla_ghe8 tabla_na tabla_na_s tabla_re tabla_te1 tabla_te2 tabla_te_m tabla_te_ne tabla_tas1",
    "loop": "loop_compus loop_industrial loop_tabla",
    "bass": "bass_dnb_f bass_drop_c bass_hard_c bass_hit_c bass_thick_c bass_trance_c bass_voxy_c bass_voxy_hit_c"
    " bass_woodsy_c",
    "effect": "ambi_choir ambi_dark_woosh ambi_drone ambi_glass_hum ambi_glass_rub ambi_haunted_hum ambi_lunar_land"
    " ambi_piano ambi_soft_buzz ambi_swoosh elec_chime elec_twang elec_bell guit_e_fifths guit_e_slide guit_em9"
    " guit_harmonics perc_bell perc_till misc_cineboom vinyl_backspin vinyl_hiss vinyl_rewind vinyl_scratch",
}
VOICES = ("awb", "kal16", "rms", "slt")
PHRASES = 40  # of each voice
# fmt: off
WORDS = {
    "who": ("I", "you", "we", "they", "she", "he", "nobody", "the river", "my brother", "your shadow", "the city",
            "every stranger", "a thousand people", "the radio", "this old heart"),
    "will": ("will never", "could always", "want to", "should", "used to", "can", "might", "won't", "need to", "try to",
             "was born to", "would rather"),
    "do": ("run away from", "follow", "remember", "break", "believe in", "carry", "dance with", "wait for", "burn",
           "sing about", "whisper to", "give up", "take back", "throw away", "look beyond", "hold on to", "change",
           "dream of", "fall into", "forget"),
    "what": ("the morning sun", "your silver eyes", "a broken promise", "these empty streets", "the fire", "my love",
             "all the money", "the sound of thunder", "yesterday", "the edge of the world", "another lonely night",
             "that crazy feeling", "the shape of water", "nothing at all", "blue skies", "the golden years",
             "one more chance", "the truth", "everything we know", "a little light"),
    "when": ("tonight", "again", "in the rain", "oh yeah", "before you go", "till the day is over", "on and on",
             "over there", "baby", "without a reason", "and I don't care", "when the music stops", "far away", "now"),
}
# fmt: on


def phrases(seed: int, count: int) -> list[str]:
    """Random lines of lyrics."""
    rng = random.Random(seed)  # noqa: S311
    return [" ".join(rng.choice(words) for words in WORDS.values()) for _ in range(count)]


def speak(voice: str, text: str, path: Path) -> None:
    """Write the spoken text to `path` (44.1 kHz) and the ends (s) of its phones to a .txt file beside it."""
    try:
        command = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(path)]
        phones = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        raise UserError("flite cannot speak; install Debian's package flite") from None
    x, rate = soundfile.read(path)
    soundfile.write(path, signal.resample_poly(x, 44100, rate), 44100, "PCM_16")
    path.with_suffix(".txt").write_text("".join(f"{phone.replace(':', ' ')}\n" for phone in phones))


def main(target: Path) -> None:
    """Fill the folder `target`."""
    sources = {Path(font): Path() for font in FONTS}
    sources |= {SAMPLES / f"{name}.flac": Path(kind) for kind, names in KINDS.items() for name in names.split()}
    for source, kind in sources.items():
        if not source.exists():
            raise UserError(
                f"{source} is missing; install Debian's package {FONTS.get(str(source), 'sonic-pi-samples')}"
            )
        link = target / kind / source.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    (target / "speech").mkdir(exist_ok=True)
    for seed, voice in enumerate(VOICES):
        for i, text in enumerate(phrases(seed, PHRASES)):
            speak(voice, text, target / "speech" / f"{voice}-{i:02d}.wav")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except UserError as error:
        sys.exit(f"error: {error}")
