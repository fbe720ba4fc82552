from twisted.application.service import ServiceMaker

pulsetw = ServiceMaker(
    "pulsetw",
    "pulsetw.tap",
    "An event relay over WebSockets, with Redis between its servers",
    "pulsetw",
)
