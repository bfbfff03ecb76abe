import { jwtDecode } from "jwt-decode";

globalThis.app = { decode: (token) => jwtDecode(token) };
