import { decodeJwt } from "jose";

globalThis.app = { decode: (token) => decodeJwt(token) };
