"""Requests whose log records the log kit reads."""

from answers import Answer, read_answers
from routes import Request
from service_process import Record, Service, is_access_record

NOWHERE = Request(target=b"/nowhere")
CRASH = Request(target=b"/faulty/crash")


def ask(service: Service, request: Request) -> Answer:
    (answer,) = read_answers(service.raw(request.encode()), request.method)
    return answer


def records_of(service: Service, request_id: str) -> list[Record]:
    """Return all that was logged of a request that is answered."""

    def ends_it(record: Record) -> bool:
        return record.get("request_id") == request_id and is_access_record(record)

    service.wait_for_record(ends_it)
    return [record for record in service.log() if record.get("request_id") == request_id]
