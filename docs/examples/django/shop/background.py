"""The workers, where the default options are not enough."""

from runner import App, Periodic, WorkerSettings
from runner.contrib.django.application import workers
from shop.tasks import count_receipts


class Mail(WorkerSettings):
    """The queue of receipts; its tasks are found."""

    queue = "mail"
    concurrency = 3


app = App(
    lambda: workers(Mail),
    schedule=[Periodic("count", count_receipts.job, "0 7 * * mon-fri")],
)
