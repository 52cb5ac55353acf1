"""HTTP only: parse a request, call one stage function, render the answer."""
