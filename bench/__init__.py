"""Side-by-side benchmark of pomerium_tw with nginx and Envoy: ``python -m bench`` from the project root.

What is measured, how, and what is not: ``bench/README.md``.
"""
