"""The five boards."""

from observability.boards.breakers import BREAKERS
from observability.boards.kafka import KAFKA
from observability.boards.mongodb import MONGODB
from observability.boards.orders import ORDERS
from observability.boards.services import SERVICES

BOARDS = (ORDERS, SERVICES, KAFKA, MONGODB, BREAKERS)
