"""Evidence for the address of a source's file."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.declarations.base import Declaration, Names

RoadEvidence = Literal["recorded", "documented", "inferred"]


class Road(Declaration):
    """Evidence for the address of a source's file, or the reason for having no address."""

    evidence: RoadEvidence | None = Field(
        None,
        description="recorded: an answer to the request is stored with the tests; documented: the publisher or a "
        "program in use describes the request; inferred: neither. An inferred road is scheduled once `refresh --check` "
        "has succeeded",
    )
    citation: Names = Field(
        (), description="Sources of the evidence: a repository and file, or a page of the publisher"
    )
    inferred: str | None = Field(None, description="Parts of the request or of the answer that no citation shows")
    copied: bool = Field(False, description="True where the address is a copy by a third party, such as on GitHub")
    unknown: str | None = Field(None, description="Without an address: the reason, or the missing knowledge")

    @model_validator(mode="after")
    def _validate_evidence(self) -> Self:
        if bool(self.evidence) == bool(self.unknown):
            raise ValueError("declare either evidence, or unknown with the reason")
        if self.evidence in ("recorded", "documented") and not self.citation:
            raise ValueError(f"evidence: {self.evidence} needs a citation")
        return self
