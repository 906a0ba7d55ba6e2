"""The report: figures as SVG files, and one self-contained page."""
