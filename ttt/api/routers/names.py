"""What stands in the path of a request: the names of sessions, models, runs, files and jobs."""

from typing import Annotated, TypeAlias

from fastapi.params import Path

SessionId: TypeAlias = Annotated[
    str, Path(max_length=200, description="The session.", examples=["ada"])
]
ModelId: TypeAlias = Annotated[
    str, Path(max_length=200, description="The text model.", examples=["starter-gru"])
]
RunId: TypeAlias = Annotated[str, Path(max_length=200, description="The run.", examples=["demo"])]
FileName: TypeAlias = Annotated[
    str, Path(max_length=200, description="The file.", examples=["summary.json"])
]
JobId: TypeAlias = Annotated[
    str, Path(max_length=200, description="The job.", examples=["j000001-train"])
]
