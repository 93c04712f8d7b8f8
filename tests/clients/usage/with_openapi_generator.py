"""Uses the Python clients from openapi-generator: registers, logs in, places an order, reads it by id and by user."""

import os

import orders_client
import users_client

NAME, PASSWORD = f"generated-{os.getpid()}", "correct horse battery staple"
URL, CA = os.environ["BASE_URL"], os.environ["CA_FILE"]

basic = users_client.Configuration(host=URL, username=NAME, password=PASSWORD, ssl_ca_cert=CA)
with users_client.ApiClient(basic) as http:
    user = users_client.UsersApi(http).register(users_client.Registration(username=NAME, password=PASSWORD))
    assert user.username == NAME
    token = users_client.TokensApi(http).token().access_token

bearer = orders_client.Configuration(host=URL, access_token=token, ssl_ca_cert=CA)
with orders_client.ApiClient(bearer) as http:
    api = orders_client.OrdersApi(http)
    items = [
        orders_client.OrderRequestOrderitemsInner("apple"),
        orders_client.OrderRequestOrderitemsInner(orders_client.OrderItem(item="pear", quantity=2)),
    ]
    order = orders_client.OrderRequest(userid=NAME, cost=orders_client.Amount("12.50"), orderitems=items)
    placed = api.place_order(order, idempotency_key="generated")
    one = api.read_orders(orderid=placed.orderid, wait=10).actual_instance
    assert isinstance(one, orders_client.OrderDetails), one
    assert one.status == "PROCESSED", one
    page = api.read_orders(userid=NAME).actual_instance
    assert isinstance(page, orders_client.OrderPage), page
    assert [item.orderid for item in page.items] == [placed.orderid]
    problem = None
    try:
        api.read_orders(orderid="00000000-0000-7000-8000-000000000000")
    except orders_client.exceptions.NotFoundException as error:
        problem = error.data
    assert problem
    assert problem.type == "order-not-found", problem
print("ok")
