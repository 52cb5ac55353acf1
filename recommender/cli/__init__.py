"""Commands: each reads settings, builds services, calls one stage and prints what came out."""
