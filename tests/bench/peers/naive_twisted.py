"""A relay as one writes it with Autobahn and txredisapi: naive_twisted.py PORT REDIS_PORT."""

import sys
from collections import defaultdict

import txredisapi
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import endpoints, reactor

clients = defaultdict(set)


class Client(WebSocketServerProtocol):
    def onConnect(self, request):
        self.channel = "bench:" + request.path[1:]

    def onOpen(self):
        clients[self.channel].add(self)

    def onClose(self, was_clean, code, reason):
        clients[self.channel].discard(self)


class Subscriber(txredisapi.SubscriberProtocol):
    def connectionMade(self):
        self.psubscribe("bench:*")

    def messageReceived(self, pattern, channel, message):
        for client in clients[channel]:
            client.sendMessage(message.encode())


def main(port, redis_port):
    factory = WebSocketServerFactory(reactor=reactor)
    factory.protocol = Client
    server = endpoints.TCP4ServerEndpoint(reactor, port, backlog=1024, interface="127.0.0.1")
    redis = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", redis_port)
    subscribers = txredisapi.SubscriberFactory()
    subscribers.protocol = Subscriber
    redis.connect(subscribers).addCallback(lambda _: server.listen(factory))
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
