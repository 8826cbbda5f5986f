"""Says which server answered, so that load balancing can be seen from outside."""

from django.conf import settings


class ServedBy:
    """Adds `X-Served-By` to every response."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response["X-Served-By"] = settings.SERVED_BY
        return response
