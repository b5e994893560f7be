"""DVC's own views with this project's templates and page: right in a browser, and without a network."""

import importlib.util
import json
import re
import shutil

import pytest
import vl_convert
import yaml

from tests.repository import ROOT, Repository

PLOTS = ROOT / ".dvc" / "plots"
SVG = """spec => {
    const host = document.createElement('div')
    return vegaEmbed(host, spec, {renderer: 'svg'}).then(() => host.textContent)
}"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """What `dvc plots diff` writes for two commits: a folder with index.html."""
    root = tmp_path_factory.mktemp("plots") / "repository"
    (root / "models").mkdir(parents=True)
    (root / "reports" / "tables").mkdir(parents=True)
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    (root / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}))
    repository = Repository(root)
    repository.init()
    repository.dvc("init", "--quiet")
    shutil.copytree(PLOTS, root / ".dvc" / "plots")
    repository.dvc("config", "plots.html_template", "plots/page.html")
    for loss in (1.0, 0.5):
        history = "".join(f"{epoch}\t{loss / epoch}\t{loss / epoch + 0.1}\t0.002\n" for epoch in (1, 2, 3))
        (root / "models/history.tsv").write_text(f"epoch\ttrain_loss\tvalid_loss\tlearning_rate\n{history}")
        rows = [
            f"{system},Song {song},{target},{'' if song == 0 else song - loss}\n"
            for system in ("RNN", "MIX")
            for song in range(5)
            for target in ("bass", "vocals")
        ]
        (root / "reports/tables/songs.csv").write_text(f"system,track,target,SDR\n{''.join(rows)}")
        repository.commit("a run")
    repository.dvc("plots", "diff", "HEAD~1", "HEAD", "-o", "compared")
    return root / "compared"


def test_the_plots_are_drawn(open_page, compared):
    text = (compared / "index.html").read_text(encoding="utf-8")
    assert "DVC_METRIC" not in text
    page = open_page(compared / "index.html")
    for plot in ("#Learning_curves", "#SDR_of_the_songs"):
        page.wait_for_selector(f"{plot} canvas, {plot} svg")
    specs = re.findall(r"var spec = (.*);$", text, re.MULTILINE)
    texts = [page.evaluate(SVG, json.loads(spec)) for spec in specs]
    assert all(word in texts[0] for word in ("epoch", "loss", "training", "validation", "HEAD~1"))
    assert all(word in texts[1] for word in ("SDR (dB)", "vocals", "bass", "RNN", "MIX", "HEAD~1"))
    assert texts[1].index("vocals") < texts[1].index("bass")


def test_the_page_is_the_one_that_its_script_makes():
    spec = importlib.util.spec_from_file_location("make_page", PLOTS / "make_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (PLOTS / "page.html").read_text(encoding="utf-8")
    bundled = re.search(r"vl-convert-python ([\d.]+)\.\n", page)
    if bundled[1] != vl_convert.__version__:
        pytest.skip(f"the page is of vl-convert-python {bundled[1]}, but {vl_convert.__version__} is installed")
    assert page == module.page()
