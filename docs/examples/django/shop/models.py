"""The orders."""

from django.db import models


class Order(models.Model):
    """An order, and the receipt that was sent for it."""

    email = models.EmailField()
    receipt = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.email
