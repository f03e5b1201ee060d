"""The tasks. From Django 6 on, import from `django.tasks`."""

from django_tasks import TaskContext, task

from shop.models import Order


@task(queue_name="mail", max_retries=5, timeout_s=30)
def send_receipt(order_id: int) -> str:
    """Send the receipt of an order, and return to whom."""
    order = Order.objects.get(pk=order_id)
    order.receipt = f"Thank you, {order.email}"
    order.save(update_fields=["receipt"])
    return order.email


@task(takes_context=True)
async def count_receipts(context: TaskContext) -> str:
    """Return how many receipts were sent; a coroutine, which knows its attempt."""
    count = await Order.objects.exclude(receipt="").acount()
    return f"{count} at attempt {context.attempt}"
