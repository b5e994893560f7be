"""Write page.html, around which `dvc plots show` and `dvc plots diff` put their plots.

DVC's own page loads Vega from another host. This one holds Vega, Vega-Lite and Vega-Embed as the package
vl-convert-python brings them, so that plots can be looked at, kept and sent without a network. Run it again after
an update of that package:

    uv run python .dvc/plots/make_page.py
"""

from pathlib import Path

import vl_convert

VEGA_LITE = "6.4"  # of version 6, as the templates are

HEAD = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>rnnsep: plots</title>
{{refresh_tag}}
<style>body {{ font-family: sans-serif; margin: 1.5rem }} body > div {{ margin-bottom: 2.5rem }}</style>
<!--
Vega, Vega-Lite and Vega-Embed: copyright University of Washington Interactive Data Lab, BSD-3-Clause licence
(https://github.com/vega). They contain D3, copyright Mike Bostock, ISC licence (https://d3js.org). Bundled by
vl-convert-python {vl_convert.__version__}.
-->
<script>
"""

TAIL = """
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def page() -> str:
    """The template with Vega in it."""
    # in a function, since its names must not meet those of the page; an end of script in a string must not end it
    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE).replace("</script", "<\\/script")
    return f"{HEAD}(() => {{\n{bundle}\n}})();{TAIL}"


if __name__ == "__main__":
    (Path(__file__).parent / "page.html").write_text(page(), encoding="utf-8", newline="\n")
