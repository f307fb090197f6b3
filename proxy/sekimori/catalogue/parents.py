"""Names that many services share, and that no rule may ever take as a suffix.

A suffix rule on one of these would decrypt mail, maps, storage and other people's web sites along with the
AI service that lives beside them. The list is not complete and need not be: it is the tripwire for whoever
edits the data.
"""

from __future__ import annotations

_NAMES = """
    adobe.com akamai.net akamaihd.net akamaized.net alibaba.com alibabacloud.com aliyun.com aliyuncs.com
    amazon.co.jp amazon.com amazonaws.com amazonaws.com.cn api.aws apple.com appspot.com atlassian.com
    auth0.com aws.com azure-api.net azure.com azure.net azureedge.net azurefd.net azurewebsites.net
    b-cdn.net baidu.com baidubce.com bitbucket.org blob.core.windows.net bytedance.com clients6.google.com
    cloud.google.com cloud.microsoft cloudapp.azure.com cloudflare.com cloudflare.net cloudfront.net
    cloudinary.com core.windows.net discord.com docomo.ne.jp facebook.com fastly.net fbcdn.net
    firebaseapp.com firebaseio.com ggpht.com ghe.com github.com github.dev github.io githubassets.com
    githubnext.com githubusercontent.com gitlab.com go.jp goo.ne.jp goog google google.co.jp google.com
    googleapis.com googleusercontent.com gstatic.com gvt1.com heroku.com herokuapp.com icloud.com imgix.net
    instagram.com intellij.net jb.gg jetbrains.com kddi.com lg.jp line-apps.com
    line.me linkedin.com live.com livekit.cloud microsoft.com microsoftonline.com mozilla.org msn.com
    myportfolio.com naver.com ne.jp netlify.app ngrok.io nifty.com notion.site ntt.com nvidia.com
    office.com office.net office365.com office365.us oracle.com oraclecloud.com outlook.com ovh.net
    pages.dev qq.com quora.com rakuten.co.jp run.app sap.com scdn.co sentry.io
    sharepoint.com shopify.com skype.com softbank.jp statsigapi.net streamlit.app studio.site supabase.co
    tencent.com tumblr.com twimg.com twitter.com typedream.app vercel.app vercel.sh vk.com
    vpce.amazonaws.com vsassets.io web.app weebly.com whatsapp.com wikipedia.org windows.com windows.net
    windowsupdate.com withgoogle.com wordpress.com workers.dev x.com yahoo.co.jp yahoo.com yandex.com
    yandex.net yandex.ru youtube.com ytimg.com
"""

SHARED_PARENTS = frozenset(_NAMES.split())
