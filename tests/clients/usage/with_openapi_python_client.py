"""Uses the clients from openapi-python-client: registers, logs in, places an order, reads it by id and by user."""

import os
import ssl

from orders_client import AuthenticatedClient
from orders_client import Client as OrdersClient
from orders_client.api.orders import place_order, read_orders
from orders_client.models import OrderDetails, OrderItem, OrderPage, OrderRequest, PlacedOrder, Problem
from users_client import AuthenticatedClient as BasicClient
from users_client import Client as UsersClient
from users_client.api.tokens import token
from users_client.api.users import register
from users_client.models import AccessToken, Registration, User

NAME, PASSWORD = f"generated-{os.getpid()}", "correct horse battery staple"
URL = os.environ["BASE_URL"]
TLS = {"verify_ssl": ssl.create_default_context(cafile=os.environ["CA_FILE"])}

user = register.sync(client=UsersClient(base_url=URL, **TLS), body=Registration(username=NAME, password=PASSWORD))
assert isinstance(user, User), user

basic = BasicClient(base_url=URL, token="", **TLS)
basic.get_httpx_client().auth = (NAME, PASSWORD)
got = token.sync(client=basic)
assert isinstance(got, AccessToken), got

client = AuthenticatedClient(base_url=URL, token=got.access_token, **TLS)
order = OrderRequest(userid=NAME, cost="12.50", orderitems=["apple", OrderItem(item="pear", quantity=2)])
placed = place_order.sync(client=client, body=order, idempotency_key="generated")
assert isinstance(placed, PlacedOrder), placed

one = read_orders.sync(client=client, orderid=placed.orderid, wait=10)
assert isinstance(one, OrderDetails), one
assert one.status == "PROCESSED", one
page = read_orders.sync(client=client, userid=NAME)
assert isinstance(page, OrderPage), page
assert [item.orderid for item in page.items] == [placed.orderid]

refused = place_order.sync(client=client, body=OrderRequest(userid="another", cost="1", orderitems=["apple"]))
assert isinstance(refused, Problem), refused
assert refused.type_ == "wrong-user", refused
nobody = read_orders.sync(client=OrdersClient(base_url=URL, **TLS), orderid=placed.orderid)
assert isinstance(nobody, Problem), nobody
assert nobody.type_ == "token-required", nobody
print("ok")
