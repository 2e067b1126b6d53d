"""Optimizers: SGD and AdamW, each parameter's step one fused pass over memory.

    optimizer = tenon.optim.AdamW(model.parameters(), lr=3e-3)
    optimizer.zero_grad(); loss.backward(); optimizer.step()

An optimizer holds the parameters it was given: make it after model.to(). Set .lr as a schedule demands.
"""
from ._tenon import SGD, AdamW

__all__ = ["SGD", "AdamW"]
