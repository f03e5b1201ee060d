"""The views: an order enqueues its receipt, and what became of it can be asked."""

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django_tasks import TaskResult, default_task_backend

from shop.models import Order
from shop.tasks import count_receipts, send_receipt


@csrf_exempt
def place_order(request: HttpRequest) -> JsonResponse:
    """Store the order. Its receipt is enqueued when the request's transaction is committed."""
    order = Order.objects.create(email=request.POST["email"])
    result = send_receipt.enqueue(order.pk)
    return JsonResponse({"order": order.pk, "task": result.id}, status=202)


@csrf_exempt
@transaction.non_atomic_requests
async def order_count(request: HttpRequest) -> JsonResponse:
    """Let a worker count: in a coroutine, `aenqueue`."""
    result = await count_receipts.aenqueue()
    return JsonResponse({"task": result.id}, status=202)


def task_state(request: HttpRequest, task_id: str) -> JsonResponse:
    """Say what became of a task."""
    result: TaskResult = default_task_backend.get_result(task_id)
    value = result.return_value if result.status == "SUCCESSFUL" else None
    return JsonResponse({"status": result.status, "value": value, "attempts": result.attempts})


def order(request: HttpRequest, pk: int) -> JsonResponse:
    """Show an order."""
    found = Order.objects.get(pk=pk)
    return JsonResponse({"email": found.email, "receipt": found.receipt})
