"""Start the app with ``streamlit run app.py``."""

from pathlib import Path

# The processes of a local cluster import this file too, as another module, and need no pages.
if __name__ == "__main__":
    from pages.parts.shared import frame

    frame.show(Path(__file__).parent)
