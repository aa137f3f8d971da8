"""Experiments on a borrowed GPU: pack the data here, run one self-contained script there."""
