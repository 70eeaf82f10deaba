"""Which network a mainland Chinese number was given to, by its first digits.

From the ranges that the ministry (MIIT) assigned to the operators. A hint, not the truth: since
2019 numbers move between operators with their owners, and nobody publishes which. A network is
named by MCC and MNC (ITU-T E.212); an operator with several is named by one of them.
"""

CHINA_MOBILE, CHINA_UNICOM, CHINA_TELECOM, CHINA_BROADNET = "46000", "46001", "46003", "46015"

_OF_THREE = {
    CHINA_MOBILE: "134 135 136 137 138 139 147 148 150 151 152 157 158 159 165 172 178 182 183 184"
    " 187 188 195 197 198",
    CHINA_UNICOM: "130 131 132 145 146 155 156 166 167 171 175 176 185 186 196",
    CHINA_TELECOM: "133 149 153 162 173 174 177 180 181 189 190 191 193 199",
    CHINA_BROADNET: "192",
}
_OF_FOUR = {
    # Resellers, by whose network they use; and Telecom's one range in 134.
    CHINA_MOBILE: "1703 1705 1706",
    CHINA_UNICOM: "1704 1707 1708 1709",
    CHINA_TELECOM: "1349 1700 1701 1702",
}
_NETWORKS = {
    start: network
    for listed in (_OF_THREE, _OF_FOUR)
    for network, starts in listed.items()
    for start in starts.split()
}
_HOME = "+86"
_NATIONAL = 11


def network_of(e164: str) -> str:
    """Give a number's network, as MCC and MNC; empty where its first digits do not say."""
    if not e164.startswith(_HOME) or len(e164) != len(_HOME) + _NATIONAL:
        return ""
    return _NETWORKS.get(e164[3:7]) or _NETWORKS.get(e164[3:6], "")
