"""A server that answers every REST and gRPC request at once with the same bytes, to measure the client's cost.

    python experiments/serving/trivial.py

Prints the URLs of both APIs and serves until it is ended.
"""

import socket

import grpc
import uvicorn
import uvloop

ANSWER = b'{"predictions": [{"probabilities": [0.1, 0.9], "label": "positive"}]}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def rest(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})


async def predict(request, context):
    return ANSWER


async def main() -> None:
    server = grpc.aio.server()
    method = {"Predict": grpc.unary_unary_rpc_method_handler(predict)}
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", method)]
    )
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(rest, http="httptools", lifespan="off", access_log=False, log_level="error")
        print(f"http://127.0.0.1:{listener.getsockname()[1]} grpc://127.0.0.1:{grpc_port}", flush=True)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(main())
