"""Echocardiograms in, view and colour Doppler out. A demonstration, not a medical device."""

from echo.classifier import Classifier

__all__ = ["Classifier"]
