"""Which of its two forms an issued document has. Pure."""

PDF_TYPE = "application/pdf"
HTML_TYPE = "text/html"
"""Issued where the libraries that draw a PDF were missing."""


def file_type(issued: bytes) -> str:
    """Return the media type of an issued document."""
    return PDF_TYPE if issued.startswith(b"%PDF") else HTML_TYPE


def file_name(number: str, issued: bytes) -> str:
    """Return the name a document is saved under."""
    suffix = "pdf" if file_type(issued) == PDF_TYPE else "html"
    return f"{number}.{suffix}"
