"""The workers: one for each queue of the jobs that are found."""

from runner import App

app = App.discover("shop.jobs")
