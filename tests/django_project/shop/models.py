"""What is stored."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """An order."""

    email: models.EmailField[str, str] = models.EmailField()

    def __str__(self) -> str:
        return self.email
