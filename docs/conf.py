"""How Sphinx builds the documents as a site: ``make docs`` and Read the Docs."""

project = "sk_mnist_mlp"
author = "The sk_mnist_mlp developers"
copyright = "2026, " + author
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["images"]
html_theme = "alabaster"
html_theme_options = {"description": "A digit classifier for scikit-learn", "page_width": "1080px"}
html_show_sphinx = False
suppress_warnings = ["myst.header"]
