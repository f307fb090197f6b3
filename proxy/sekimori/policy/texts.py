"""What a person reads about each reason, in Japanese and English, with the rule it comes from.

The sentences that the glossary fixes are used word for word. A rule in 「」 quotes its source and names
the row that it is traced to: 申合せ is the inter-ministry agreement on generative AI, 2nd edition (2023);
注意喚起 the notice on DeepSeek of 2025-02. A rule of this product itself is marked 関守.
"""

from __future__ import annotations

from typing import Final

from sekimori.policy.codes import Reason, ReasonText

_MOU: Final = "ChatGPT等の生成AIの業務利用に関する申合せ（第2版）"
_DSN: Final = "DeepSeek等の生成AIの業務利用に関する注意喚起（2025年2月）"

_R_SHADOW: Final = f"「組織の承認を得ずに職員等がクラウドサービスを利用する」{_MOU} [MOU-1-7]"
_R_APPROVAL: Final = (
    f"「利用に当たっては、組織の規程に則り承認を得る手続きが必要であること」{_MOU} [MOU-1-11]"
)
_R_TOS: Final = f"「要機密情報を取り扱うことはできない」{_MOU} [MOU-1-2]"
_R_CLASS2: Final = f"「適切なリスク分析を行った一部の機密性2情報まで取り扱うことができる」{_MOU} [MOU-2-11]"
_R_CONSENT: Final = f"「その検討状況を「AI戦略チーム」に報告し、了解を得ることとする」{_MOU} [MOU-2-2]"
_R_CHECKLIST: Final = (
    f"「上記項目について対応済である旨を、利用計画書に記載し、AI戦略チームへ提出」{_MOU} [MOU-2-10]"
)
_R_ADVICE: Final = f"「内閣サイバーセキュリティセンター及びデジタル庁に助言を求めた上で」{_DSN} [DSN-5-2]"
_R_SCOPE: Final = f"「利用目的（業務内容）や利用者の範囲などの利用者からの申請内容」{_MOU} [MOU-1-4]"
_R_WORK: Final = f"「リスクを考慮した上で利用可能な業務の範囲をあらかじめ特定し」{_MOU} [MOU-1-3]"
_R_WHO: Final = f"「誰がどのように使用しているかなどの管理ができない」{_MOU} [MOU-1-8]"
_R_MANAGE: Final = f"「その利用状況について管理することが必要である」{_MOU} [MOU-1-6]"
_R_LOG: Final = f"「入力されたプロンプト及び出力結果のロギングを行った上で」{_MOU} [MOU-2-7]"
_R_FEEDBACK: Final = f"「必ず利用者からフィードバックを受ける仕組みを設けること」{_MOU} [MOU-2-8]"
_R_TRIAL: Final = f"「検証段階であることの明示とテスト参加の同意の取得」{_MOU} [MOU-2-9]"
_R_NOTICE: Final = f"「職員等に対して周知することとする」{_MOU} [MOU-1-12]"
_R_REGION: Final = f"「現地の法令等が適用され、現地の政府等による検閲や接収を受ける可能性」{_DSN} [DSN-A2-3]"
_R_TERMS: Final = f"「利用開始後においても定型約款の変更をすることにより」{_DSN} [DSN-A2-8]"
_R_PERIOD: Final = (
    "「期間は、その末日の終了をもって満了する」民法第141条。利用期間は日本標準時の暦日で、初日と末日を含む"
)
_R_NUMBER: Final = (
    "行政手続における特定の個人を識別するための番号の利用等に関する法律 第19条（特定個人情報の提供の制限）"
)
_R_GATE: Final = "関守の規則: 読めない通信、宛先が確かでない通信は通さない"
_R_READABLE: Final = "関守の規則: 内容を検査できない送信は通さない"
_R_SAFE: Final = "関守の規則: 判断できないとき、記録できないときは通さない"
_R_GRANT: Final = "関守の規則: 承認に列挙されたものだけを通す"

_APPLY_JA: Final = "利用申請を行い、許可権限者の承認を受けてください。"
_APPLY_EN: Final = "Apply for use and have the approval authority decide."
_ADMIN_JA: Final = "このサービスのクラウドサービス管理者に問い合わせてください。"
_ADMIN_EN: Final = "Ask the cloud service administrator of this service."
_WAIT_JA: Final = "しばらく待ってから再度お試しください。続く場合は情報システム部門に連絡してください。"
_WAIT_EN: Final = "Try again in a while. If it goes on, tell the information systems department."
_FIX_JA: Final = "URLと接続設定を確認してください。"
_FIX_EN: Final = "Check the URL and the connection settings."
_TERM_JA: Final = "利用期間を確認し、必要であれば新たに申請してください。"
_TERM_EN: Final = "Check the usage period and apply for a new one if you need it."

TEXTS: Final[dict[Reason, ReasonText]] = {
    Reason.AUTH_REQUIRED: ReasonText(
        "利用者の認証が必要です。",
        "Sign in to the proxy first.",
        _R_WHO,
        "プロキシの利用者名とパスワードを設定してください。",
        "Set your proxy user name and proxy password.",
        407,
    ),
    Reason.UNKNOWN_AI: ReasonText(
        "登録されていないAIサービスです。登録と承認のないAIサービスは利用できません。",
        "This AI service is not registered. AI services without registration and approval cannot be used.",
        _R_SHADOW,
        _APPLY_JA,
        _APPLY_EN,
    ),
    Reason.NO_GRANT: ReasonText(
        "このAIサービスの利用は承認されていません。"
        "要機密情報を含まない場合であっても、組織の規程に則り承認を得る手続きが必要です。",
        "Use of this AI service is not approved. "
        "Approval is required even when no confidential information is handled.",
        _R_APPROVAL,
        _APPLY_JA,
        _APPLY_EN,
    ),
    Reason.SECRET_DOC: ReasonText(
        "機密性3情報（秘密文書に当たる情報）は、どのAIサービスにも送信できません。送信は行われていません。",
        "Confidentiality class 3 information (secret documents) cannot be sent to any AI service. "
        "Nothing was sent.",
        _R_CLASS2,
        "内容から機密性3情報を除いてください。標記に誤りがある場合は、権限者による格付の変更を受けてください。",
        "Take the class 3 information out. If a marking is wrong, have it changed by authority.",
    ),
    Reason.MY_NUMBER: ReasonText(
        "個人番号（マイナンバー）が検出されました。いかなるAIサービスにも送信できません。",
        "An Individual Number was detected. It cannot be sent to any AI service.",
        _R_NUMBER,
        "個人番号を除いて送信し直してください。",
        "Take the number out and send again.",
    ),
    Reason.TOS_CONFIDENTIAL: ReasonText(
        "約款型クラウドサービスでは、要機密情報を取り扱うことはできません。送信は行われていません。",
        "Confidential information cannot be handled on terms-of-service cloud services. Nothing was sent.",
        _R_TOS,
        "要機密情報を除くか、個別契約等に基づき承認されたサービスを利用してください。",
        "Take the confidential information out, or use a service approved under an individual contract.",
    ),
    Reason.CHECKLIST_INCOMPLETE: ReasonText(
        "要機密情報の取り扱いに関する確認事項への対応が完了していません。",
        "The confirmation items for handling confidential information are not complete.",
        _R_CHECKLIST,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.CONSENT_RECORD_MISSING: ReasonText(
        "機密性2情報の取り扱いに必要な了解の記録がありません。",
        "There is no record of the consent that handling class 2 information needs.",
        _R_CONSENT,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.CLASS_EXCEEDED: ReasonText(
        "情報の機密性が、承認された範囲を超えています。送信は行われていません。",
        "The information is of a higher class than was approved. Nothing was sent.",
        _R_CLASS2,
        "承認された機密性の範囲に収めるか、新たに申請してください。",
        "Stay within the approved class and types of information, or apply for more.",
    ),
    Reason.ADVICE_REQUIRED: ReasonText(
        "このサービスは、調達を伴わない場合でも関係機関の助言を得た上での判断が必要です。"
        "助言の記録がありません。",
        "A decision on this service needs advice from the designated bodies even without procurement. "
        "No advice is recorded.",
        _R_ADVICE,
        "許可権限者に、関係機関の助言を求めることを依頼してください。",
        "Ask the approval authority to seek the advice of the designated bodies.",
    ),
    Reason.SUSPENDED: ReasonText(
        "このAIサービスの利用は停止されています。",
        "Use of this AI service is suspended.",
        _R_MANAGE,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.USER_OUT_OF_SCOPE: ReasonText(
        "あなたは、承認された利用者の範囲に含まれていません。",
        "You are not within the approved range of users.",
        _R_SCOPE,
        _APPLY_JA,
        _APPLY_EN,
    ),
    Reason.PURPOSE_OUT_OF_SCOPE: ReasonText(
        "利用目的が、承認された業務の範囲に含まれていないか、特定できません。",
        "The purpose is not within the approved work, or it is not clear which one is meant.",
        _R_WORK,
        "示された利用目的の一つを X-Sekimori-Purpose ヘッダーで指定してください。",
        "Name one of the purposes listed in the X-Sekimori-Purpose header.",
    ),
    Reason.PLAN_NOT_STARTED: ReasonText(
        "利用期間がまだ始まっていません。",
        "The usage period has not begun yet.",
        _R_PERIOD,
        _TERM_JA,
        _TERM_EN,
    ),
    Reason.PLAN_EXPIRED: ReasonText(
        "利用期間が終了しました。",
        "The usage period is over.",
        _R_PERIOD,
        "更新は新たな利用申請で行ってください。",
        "Submit a new application to renew.",
    ),
    Reason.MODEL_NOT_ALLOWED: ReasonText(
        "このモデルは承認されていないか、どのモデルを指定したものか確実に読み取れません。",
        "This model is not approved, or it cannot be told for certain which model is meant.",
        _R_GRANT,
        "承認されたモデルを一つだけ明示してください。",
        "Name one approved model, once.",
    ),
    Reason.MODALITY: ReasonText(
        "画像・音声などの利用は承認されていません。",
        "Use of images, audio or voice is not approved.",
        _R_GRANT,
        _APPLY_JA,
        _APPLY_EN,
    ),
    Reason.OPERATION_NOT_ALLOWED: ReasonText(
        "この操作は承認されていません。",
        "This operation is not approved.",
        _R_GRANT,
        _APPLY_JA,
        _APPLY_EN,
    ),
    Reason.REGION: ReasonText(
        "承認された地域の外にある接続先です。",
        "The endpoint is outside the approved region.",
        _R_REGION,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.AGENT_UNREGISTERED: ReasonText(
        "登録されていないAIエージェントです。",
        "This AI agent is not registered.",
        _R_GRANT,
        _APPLY_JA,
        _APPLY_EN,
    ),
    Reason.TOOL_NOT_WHITELISTED: ReasonText(
        "ホワイトリストにない連携ツールです。",
        "This tool is not on the allow-list.",
        _R_GRANT,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.TOS_CHANGED: ReasonText(
        "サービスの約款が変更され、まだ確認されていません。",
        "The terms of the service have changed and have not been confirmed yet.",
        _R_TERMS,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.TRAINING_REQUIRED: ReasonText(
        "必要な研修が済んでいません。",
        "You have not completed the training that is required.",
        _R_NOTICE,
        "研修を受けてから利用してください。",
        "Complete the training first.",
    ),
    Reason.CONSENT_MISSING: ReasonText(
        "検証段階のサービスです。テスト参加の同意がありません。",
        "This service is in a trial phase and you have not consented to take part.",
        _R_TRIAL,
        "テスト参加の同意を行ってください。",
        "Give your consent to take part in the trial.",
    ),
    Reason.ACK_REQUIRED: ReasonText(
        "利用上の注意がまだ確認されていません。",
        "You have not acknowledged the notice on use yet.",
        _R_NOTICE,
        "利用上の注意を読み、確認してください。",
        "Read the notice and acknowledge it.",
    ),
    Reason.FEEDBACK_OVERDUE: ReasonText(
        "前回までの利用についてフィードバックをお願いします（1クリックで完了）。",
        "Please give feedback on your past use (one click).",
        _R_FEEDBACK,
        "フィードバックに回答してください。",
        "Answer the feedback question.",
    ),
    Reason.PII_TRAINING: ReasonText(
        "入力を学習に利用するサービスに、個人情報は送信できません。",
        "Personal information cannot be sent to a service that trains on what it is sent.",
        "個人情報保護委員会「生成AIサービスの利用に関する注意喚起等」（2023年6月2日）",
        "個人情報を除いて送信し直してください。",
        "Take the personal information out and send again.",
    ),
    Reason.LIMIT: ReasonText(
        "承認された量又は形式の制限を超えています。",
        "The request exceeds the approved amount or form.",
        _R_GRANT,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.LIMIT_SIZE: ReasonText(
        "このサービスに一度に送信できる大きさを超えています。",
        "The request is larger than this service may be sent at once.",
        _R_GRANT,
        "分割して送信してください。",
        "Send it in smaller parts.",
    ),
    Reason.LIMIT_RATE: ReasonText(
        "このサービスを利用できる回数に達しました。",
        "This service has been used as often as it may be for now.",
        _R_GRANT,
        "時間をおいてから利用してください。",
        "Wait a while and try again.",
    ),
    Reason.LIMIT_WINDOW: ReasonText(
        "このサービスを利用できる時間帯ではありません。",
        "This service may not be used at this time of the day or week.",
        _R_GRANT,
        "利用できる時間帯に利用してください。",
        "Use it within its hours.",
    ),
    Reason.SCAN_UNAVAILABLE: ReasonText(
        "送信内容（添付を含む）を検査できないため、送信できません。",
        "What you send (attachments included) could not be checked, so it was not sent.",
        _R_READABLE,
        "添付を外すか、本文をテキストで送信してください。",
        "Leave attachments out or send their content as text.",
    ),
    Reason.GUARDRAIL: ReasonText(
        "有害な入力又は出力と判断されました。",
        "The input or output was judged harmful.",
        _R_GRANT,
        "内容を見直してください。",
        "Reconsider the content.",
    ),
    Reason.HUMAN_REVIEW: ReasonText(
        "この操作は人の判断が必要です。承認者の確認を待っています。",
        "This action needs a human decision. Waiting for the approver.",
        _R_MANAGE,
        "承認者の確認をお待ちください。",
        "Wait for the approver.",
    ),
    Reason.AUDIT_UNAVAILABLE: ReasonText(
        "ログを記録できないため、AIサービスの利用を一時停止しています。",
        "AI use is paused because logs cannot be recorded.",
        _R_LOG,
        _WAIT_JA,
        _WAIT_EN,
        503,
    ),
    Reason.IP_LITERAL: ReasonText(
        "IPアドレスを直接指定した接続はできません。",
        "Connections to a bare IP address are not allowed.",
        _R_GATE,
        "ホスト名で接続してください。",
        "Connect by host name.",
    ),
    Reason.PORT: ReasonText(
        "このポートへの接続は許可されていません。",
        "Connections to this port are not allowed.",
        _R_GATE,
        _FIX_JA,
        _FIX_EN,
    ),
    Reason.MISMATCH: ReasonText(
        "接続先の名前が一致しません（CONNECTとTLSのサーバー名）。",
        "The names of the destination differ (CONNECT and the TLS server name).",
        _R_GATE,
        _FIX_JA,
        _FIX_EN,
    ),
    Reason.PLAIN_HTTP: ReasonText(
        "AIサービスに暗号化されていない接続はできません。",
        "AI services cannot be reached over an unencrypted connection.",
        _R_GATE,
        "https:// で接続してください。",
        "Connect with https://.",
    ),
    Reason.MALFORMED: ReasonText(
        "要求の形式が正しくありません。",
        "The request is malformed.",
        _R_GATE,
        _FIX_JA,
        _FIX_EN,
        400,
    ),
    Reason.MISDIRECTED: ReasonText(
        "要求の宛先が、接続先と一致しません。",
        "The request is addressed to another host than its connection.",
        _R_GATE,
        _FIX_JA,
        _FIX_EN,
        421,
    ),
    Reason.PRIVATE_ADDRESS: ReasonText(
        "組織内部のアドレスに当たる接続先です。",
        "The destination is a private or internal address.",
        _R_GATE,
        "組織内のサイトにはプロキシを経由せずに接続してください。",
        "Reach internal sites without the proxy.",
    ),
    Reason.NOT_TLS: ReasonText(
        "TLSでない通信は通せません。",
        "Traffic that is not TLS cannot pass.",
        _R_GATE,
        _FIX_JA,
        _FIX_EN,
    ),
    Reason.UNCATALOGUED: ReasonText(
        "台帳にない接続先です。",
        "The destination is not in the catalogue.",
        _R_GATE,
        _ADMIN_JA,
        _ADMIN_EN,
    ),
    Reason.TOO_LARGE: ReasonText(
        "送信内容が上限を超えています。",
        "The request is larger than the limit.",
        _R_READABLE,
        "内容を分割して送信してください。",
        "Send it in smaller parts.",
        413,
    ),
    Reason.POLICY_UNAVAILABLE: ReasonText(
        "承認の情報を確認できないため、AIサービスの利用を一時停止しています。",
        "AI use is paused because approvals cannot be checked.",
        _R_SAFE,
        _WAIT_JA,
        _WAIT_EN,
        503,
    ),
    Reason.IDENTITY_UNAVAILABLE: ReasonText(
        "利用者を確認する認証基盤（ディレクトリ）が応答しないため、AIサービスの利用を一時停止しています。",
        "The directory that says who you are does not answer, so AI use is paused.",
        _R_WHO,
        _WAIT_JA,
        _WAIT_EN,
        503,
    ),
    Reason.OVERLOADED: ReasonText(
        "混み合っているため、受け付けられません。",
        "The gate is overloaded and cannot take the request.",
        _R_SAFE,
        _WAIT_JA,
        _WAIT_EN,
        503,
    ),
    Reason.GATE_ERROR: ReasonText(
        "内部の誤りにより判断できないため、通せません。",
        "The gate could not decide because of an internal error.",
        _R_SAFE,
        _WAIT_JA,
        _WAIT_EN,
        503,
    ),
    Reason.CLOCK: ReasonText(
        "時刻が正しくないため、AIサービスの利用を一時停止しています。",
        "AI use is paused because the clock cannot be trusted.",
        _R_SAFE,
        _WAIT_JA,
        _WAIT_EN,
        503,
    ),
    Reason.MASK_PII: ReasonText(
        "個人情報を伏せ字にして送信します。",
        "Personal information will be masked before sending.",
        "個人情報の保護に関する法律（利用目的の達成に必要な範囲）",
        "手続きは不要です。",
        "There is nothing to do.",
        200,
    ),
    **{
        reason: ReasonText(
            f"利用期間の終了まで残り{days}日です。",
            f"{days} day{'s' if days > 1 else ''} left in the usage period.",
            _R_PERIOD,
            "継続する場合は新たに申請してください。",
            "Apply again if you want to go on.",
            200,
        )
        for reason, days in (
            (Reason.WARN_EXPIRY_30, 30),
            (Reason.WARN_EXPIRY_14, 14),
            (Reason.WARN_EXPIRY_7, 7),
            (Reason.WARN_EXPIRY_1, 1),
        )
    },
    Reason.WARN_MARKING: ReasonText(
        "機密性の標記に当たり得る語句があります。格付を確認してください。",
        "There are words that may be a confidentiality marking. Check the class of the information.",
        _R_TOS,
        "情報の格付を確認してください。",
        "Check the class of the information.",
        200,
    ),
    Reason.WARN_ATTACHMENT_UNREAD: ReasonText(
        "検査できない添付がありますが、承認により送信します。",
        "An attachment could not be checked; it is sent because the approval allows it.",
        _R_READABLE,
        "添付の格付を確認してください。",
        "Check the class of the attachment.",
        200,
    ),
}

_ADMISSIONS: Final = {
    ("terms_of_service", 1): f"「「AI戦略チーム」への報告を不要とする」{_MOU} [MOU-1-13]",
    ("individual", 1): (
        f"「クラウドサービス（約款型クラウドサービスを除く。）に該当する生成AIの利用」{_MOU} [MOU-2-12]"
    ),
    ("individual", 2): _R_CLASS2,
    ("org_operated", 1): "関守の規則: 組織が運用するものは個別契約等に準じる [MOU-2-12]",
    ("org_operated", 2): "関守の規則: 組織が運用するものは個別契約等に準じる [MOU-2-11]",
}


def admission_rule(contract: str, klass: int) -> str:
    """Quote the rule under which a contract admits information of a class."""
    return _ADMISSIONS[contract, klass]
