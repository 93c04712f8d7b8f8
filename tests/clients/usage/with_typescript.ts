// A user of the TypeScript clients by openapi-generator: the same way, and the same answers.
import { Configuration, OrdersApi, OrderDetails, OrderPage, ResponseError, Status } from "./orders";
import { Configuration as UsersConfiguration, TokensApi, UsersApi } from "./users";

const basePath = process.env.BASE_URL!;
const username = `generated-${process.pid}`;
const password = "correct horse battery staple";

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

async function main(): Promise<void> {
  const basic = new UsersConfiguration({ basePath, username, password });
  const user = await new UsersApi(basic).register({ registration: { username, password } });
  check(user.username === username, "registered under another name");
  const token = await new TokensApi(basic).token();

  const api = new OrdersApi(new Configuration({ basePath, accessToken: token.accessToken }));
  const placed = await api.placeOrder({
    orderRequest: { userid: username, cost: "12.50", orderitems: ["apple", { item: "pear", quantity: 2 }] },
    idempotencyKey: "generated",
  });
  const one = (await api.readOrders({ orderid: placed.orderid, wait: 10 })) as OrderDetails;
  check(one.status === Status.Processed, `status ${one.status}`);
  check(one.history[0].at instanceof Date, "a time is no Date");
  const page = (await api.readOrders({ userid: username })) as OrderPage;
  check(page.items.length === 1 && page.items[0].orderid === placed.orderid, "the page is wrong");
  try {
    await api.readOrders({ orderid: "00000000-0000-7000-8000-000000000000" });
  } catch (error) {
    check(error instanceof ResponseError && error.response.status === 404, `${error}`);
    console.log("ok");
    return;
  }
  throw new Error("an unknown order was found");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
