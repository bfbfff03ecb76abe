/** A good token from the page, or null. */
function token(): Promise<string | null> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
    postMessage("token", { transfer: [port2] });
  });
}

const answer = await fetch("/graphql", {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${await token()}` },
  body: JSON.stringify({ query: "{ me { role } }" }),
});
postMessage((await answer.json()).data.me.role);

export {};
