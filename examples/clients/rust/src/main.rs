//! rustforce with the refresh token grant. docs/clients.md explains the settings.
use rustforce::{response::QueryResponse, Client, Error};
use serde::Deserialize;
use std::env;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Organization {
    id: String,
}

async fn call(client: &mut Client, key: &str) -> Result<(), Error> {
    const QUERY: &str = "SELECT Id FROM Organization";
    let first: Result<QueryResponse<Organization>, Error> = client.query(QUERY).await;
    let found = match first {
        Ok(found) => found,
        // The session may have ended: the client does not log in again by itself.
        Err(Error::ErrorResponses(errors)) if errors[0].error_code == "INVALID_SESSION_ID" => {
            client.refresh(key).await?;
            client.query(QUERY).await?
        }
        Err(error) => return Err(error),
    };
    println!("{}", found.records[0].id);
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let integration = env::var("VALETKEY_INTEGRATION").unwrap_or("billing".to_string());
    let key = variable("VALETKEY_KEY");

    let mut client = Client::new(Some(variable("VALETKEY_KEY_ID")), Some(key.clone()));
    client.set_login_endpoint(&format!("{}/login/{integration}", variable("VALETKEY_URL")));
    client.refresh(&key).await?;

    // Calls Salesforce once, and once more for each line of the input.
    call(&mut client, &key).await?;
    for _line in std::io::stdin().lines() {
        call(&mut client, &key).await?;
    }
    Ok(())
}
