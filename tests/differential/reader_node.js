// Node's own HTTP server as a reader: node reader_node.js PORT
"use strict";
const fs = require("fs");
const http = require("http");

const server = http.createServer((request, response) => {
  if (request.method === undefined) {
    // Of QUERY, with Debian's Node: it knows fewer methods than the parser that it was built with.
    response.writeHead(400, { Connection: "close" });
    response.end();
    return;
  }
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const fields = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      fields.push([request.rawHeaders[at].toLowerCase().replace(/_/g, "-"), request.rawHeaders[at + 1]]);
    }
    const reading = {
      method: request.method,
      target: request.url,
      fields,
      body: Buffer.concat(pieces).toString("latin1"),
    };
    fs.appendFileSync(process.env.READINGS, JSON.stringify(reading) + "\n", "latin1");
    response.setHeader("Content-Length", 4);
    response.end("read");
  });
});
server.keepAliveTimeout = 0;
server.listen(Number(process.argv[2]), "127.0.0.1");
