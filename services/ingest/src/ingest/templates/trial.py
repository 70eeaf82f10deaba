"""The template that every account has, for test keys: to try the whole flow before any review."""

from ingest.templates.model import Category, Template, TemplateState, Variable
from ingest.templates.values import Kind

LOCALE = "en"

TEMPLATE = Template(
    id="yizhan-test",
    state=TemplateState.APPROVED,
    category=Category.VERIFICATION,
    languages={
        "en": "[Yizhan test] Your code is {code}.",
        "zh": "【驿站测试】您的验证码是{code}。",
    },
    variables={"code": Variable(type=Kind.DIGITS, max_length=8, example="123456")},
)
