import { createClient } from "@countersign/client";
import { hydrateRoot } from "react-dom/client";
import { App } from "./app.tsx";

const root = document.getElementById("root") as HTMLElement;
const client = createClient({ endpoint: root.dataset.endpoint ?? "/graphql" });
hydrateRoot(root, <App client={client} />);
client.session.start();
