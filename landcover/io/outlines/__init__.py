"""Outlines of areas in files from outside: GeoJSON, GeoPackage, KML, WKT and bounding boxes.

They are read in a worker process (:mod:`landcover.io.gate`), because the time that a geometry takes
grows with the crossings of its edges.
"""
