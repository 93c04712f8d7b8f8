// One login for both documents: a token that `GET /api/token` returns on a docs page authorizes the requests of both.

addEventListener("load", () => {
  window.ui.getConfigs().responseInterceptor = (response) => {
    if (response.ok && new URL(response.url, location.href).pathname === "/api/token") authorize(JSON.parse(response.text));
    return response;
  };
});

function authorize({ access_token: value }) {
  const schema = { type: "http", scheme: "bearer", bearerFormat: "JWT" };
  window.ui.authActions.authorizeWithPersistOption({ token: { name: "token", schema, value } });
}
