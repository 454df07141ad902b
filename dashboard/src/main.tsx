import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { takeToken } from "@/api/client";
import { App } from "@/app/App";
import "@/styles/base.css";

takeToken();
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
