//! x
use diesel_driver::*;
async fn echo(mut conn: Conn) -> Result<(), Error> {
    loop {
        let line = conn.until_eol().await?;
        if line.trimmed() == "quit" {
            return Ok(());
        }
        conn.write(("you said: ", line)).await?;
    }
}
fn main() -> std::io::Result<()> {
    let mut app = Application::new();
    let id = app.add_service(
        echo,
        ("127.0.0.1", std::env::args().nth(1).and_then(|p| p.parse().ok()).unwrap_or(7050)),
    )?;
    println!("listening on {}", app.local_addr(id)?);
    app.run()
}
