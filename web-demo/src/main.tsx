import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { App } from "./app.tsx";
import { client } from "./client.ts";
import { warnAgainstPasting } from "./console-warning.ts";
import { joinTabs } from "./tabs/roster.ts";
import { recordRenewals } from "./token/renewals.ts";
import { Crash } from "./ui/crash.tsx";

warnAgainstPasting();
recordRenewals();
joinTabs();
client.session.start();

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <Crash>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </Crash>
  </StrictMode>,
);
