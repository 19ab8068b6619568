"""salesforce-cdp-connector, which Valetkey refuses. docs/clients.md says why."""

import os

from salesforcecdpconnector.connection import SalesforceCDPConnection

INTEGRATION = os.environ.get("VALETKEY_INTEGRATION", "billing")

connection = SalesforceCDPConnection(
    os.environ["VALETKEY_URL"] + "/login/" + INTEGRATION,
    client_id=os.environ["VALETKEY_KEY_ID"],
    client_secret=os.environ["VALETKEY_KEY"],
)
cursor = connection.cursor()
cursor.execute("SELECT 1")
print(cursor.fetchall())
