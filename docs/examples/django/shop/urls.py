"""The addresses."""

from django.urls import path

from shop import views

urlpatterns = [
    path("orders", views.place_order),
    path("orders/<int:pk>", views.order),
    path("count", views.order_count),
    path("tasks/<str:task_id>", views.task_state),
]
