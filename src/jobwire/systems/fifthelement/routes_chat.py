"""Chat over HTTP: the vendor has agents, this server has none and says so; a repository can be asked instead."""

from jobwire.dialects.parse import read_form
from jobwire.domain.errors import RequestError
from jobwire.kinds.spelling import quote
from jobwire.service.call import Call, Reply
from jobwire.systems.fifthelement.bodies import ChatBody

INSTEAD = "POST /repositories/{repositoryId}/documents/query"


async def post_chat(call: Call) -> Reply:
    """RequestError agent_not_found for every agent, once the message is one."""
    read_form(ChatBody, call.body)
    raise RequestError(
        "agent_not_found",
        f"There is no agent {quote(call.params['agent'])}: this server runs no agents. Ask a repository for the "
        f"passages nearest to a question: {INSTEAD}",
        details={"parameter": "agent", "instead": INSTEAD},
    )
